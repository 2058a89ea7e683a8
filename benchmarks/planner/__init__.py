"""How right the planner is: what it predicts and chooses, against what is measured."""
