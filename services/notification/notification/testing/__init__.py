"""What notification's own tests share; not part of the distribution."""
