"""The same work, as a data engineer would write it with the usual libraries: the peers of `make bench`."""
