"""The production database: who may do what in it (`10-roles.sql`), and how its tables come (`migrate.py`)."""
