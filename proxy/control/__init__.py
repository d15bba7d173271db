"""The operators' side: health, metrics, status and keys over HTTP, behind an operator's token."""
