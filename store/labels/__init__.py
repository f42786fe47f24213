"""Labels: what a person, or a spam trap, said about a mail. The examples that training and local learning use."""
