"""The boundary of gateway and authsession: sign-in, sessions, the signed edge and push, over public contracts only."""
