"""What tells whether required fields are there: JSON Schema, and models' cards as maps."""
