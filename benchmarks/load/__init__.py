"""More traffic than the service can answer, of several kinds, and whether it stays right, fair and small."""
