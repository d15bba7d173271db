"""A run as others read it: a document, JUnit's XML, a table, a page, and what changed since another run."""
