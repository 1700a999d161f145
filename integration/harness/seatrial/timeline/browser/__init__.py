"""The page of a timeline, as a person sees it in a browser; runs in an environment of its own, which has one to drive."""
