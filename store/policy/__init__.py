"""Policy entries made by people at run time: who is blocked, who is allowed, by whom, why, until when."""
