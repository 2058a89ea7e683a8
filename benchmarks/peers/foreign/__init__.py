"""What runs in a process of its own, most of it in another environment than ours."""
