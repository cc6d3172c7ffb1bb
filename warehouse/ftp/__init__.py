"""The warehouse's FTP(S) server: a process of its own, without Django and without a database."""
