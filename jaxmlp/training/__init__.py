"""Training one network: the loop, its update rules, schedules and stopping."""
