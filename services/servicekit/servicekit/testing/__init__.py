"""What the unit tests of services share: real stores, real processes, contracts, peers. No part of the wheel."""
