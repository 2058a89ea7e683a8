"""What a connection of ours offers to the application, by its name in the extensions of a scope."""

CUT = "jjt.cut"  # a call that resets the connection
READ = "jjt.read"  # a call that says whether all of the body has come
TOGETHER = "jjt.together"  # inside of ``with`` it what is sent waits, and leaves in one piece at the end
