"""Mixed traffic for as long as one likes, and whether memory, files, threads and programs stay flat."""
