"""What each registered function is known for: an accuracy, a law, a published number."""
