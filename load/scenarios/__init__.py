"""What players do: each scenario is a Locust user on the platform's public contracts."""
