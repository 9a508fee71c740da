"""The nine intents a customer's message can express.

One list, in one order: every column of intent probabilities in the project follows it.
"""

INTENTS = (
    "bargain_hunting",
    "urgent_purchase",
    "browsing",
    "comparison",
    "gift",
    "complaint_return",
    "shipping_question",
    "brand_loyal",
    "bulk",
)
