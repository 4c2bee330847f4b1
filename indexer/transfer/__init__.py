"""Moving points: copies between stores, backups, exports."""
