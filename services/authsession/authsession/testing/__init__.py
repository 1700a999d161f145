"""What authsession's own tests are made with; no part of the wheel."""
