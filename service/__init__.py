"""The HTTP service: the API over an index, and the page that shows it."""
