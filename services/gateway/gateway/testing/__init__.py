"""What the gateway's own tests share; not part of the distribution."""
