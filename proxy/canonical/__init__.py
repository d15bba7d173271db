"""One canonical form: a request has one unambiguous meaning or is refused, and what is sent is generated from it."""
