"""Real stores for the unit tests of services: an embedded PostgreSQL and Valkey. No part of the wheel."""
