"""For those who write a provider: the contract that it is held to, as tests. Needs the extra `testing`."""
