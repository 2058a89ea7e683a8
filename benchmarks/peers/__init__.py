"""What people use today, to be measured beside us."""
