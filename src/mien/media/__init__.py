"""Pictures, videos and cameras, read and written with true time stamps."""
