"""The files of a calibrated scenario's folder, by name, for those who write and who read it."""

SCENARIO_FILE, POPULATION_FOLDER, CARD_FILE = "scenario.toml", "population", "card.json"
ELASTICITIES_FILE, PRODUCTS_FILE, HISTORY_FILE = "elasticities.csv", "products.csv", "history.csv"
# Columns of `history.csv`, a line for each product that was on sale in a period.
HISTORY_COLUMNS = ("period", "product", "price", "units")
