"""How often anybody may ask: named limits, counted in this process or in Redis."""
