"""What fabfiles import beside `fabric.api`."""
