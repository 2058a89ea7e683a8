"""What a connection of ours offers to the application, by its name in the extensions of a scope."""

CUT = "jjt.cut"  # a call that resets the connection
READ = "jjt.read"  # a call that says whether all of the body has come
TOGETHER = "jjt.together"  # a call after which what is sent next waits for what is sent after it
