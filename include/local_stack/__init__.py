"""What turns a fresh clone into a running system: set-up, PostgreSQL, supervision, the commands behind `make`."""
