"""The same work, as a data engineer would write it with the usual libraries: what `make bench` stands our packages beside."""
