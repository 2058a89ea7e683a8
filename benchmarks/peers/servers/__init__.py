"""The seed's function as users of other servers would serve it; each runs in an environment of its own."""
