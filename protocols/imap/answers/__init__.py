"""What each command does, a file for each group of ``commands``. ``dispatch`` leads to them."""
