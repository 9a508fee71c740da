"""The studies: experiments that answer one question each and report figures with intervals.

A new study is one file here, with a function `command` whose docstring is its help, and one line in `STUDIES`. The
study `a-b` is the file a_b.py. It is loaded only when the study runs, so it may import what it needs at the top.
"""

# Name -> summary, for `flashsale study --help` and `flashsale list`.
STUDIES = {
    "intent-encoder": "fine-tunes the intent encoder on generated messages, measures it on unseen templates",
    "populations": "estimates demand in the reference world, builds the reference and learned populations",
    "text-value": "what text is worth, for predicting choices and for setting prices",
    "recovery": "whether intervals of estimated elasticities cover the true ones in 95 % of logs",
    "coverage": "whether intervals of elasticities from weekly sales cover the true ones",
    "transfer": "how well an encoder classifies real customers' messages that it was not trained on",
    "sentiment": "polarity of Chinese shopping reviews, multilingual BERT against TF-IDF",
    "wider": "what sharing weights across products gains, also in a sale of more products",
    "reference-policy": "trains the shipped policy that new learners on `standard` are compared with",
    "levers": "what each decision of a sale is worth: the best schedule with it and without it",
    "push": "what paying for customers is worth, by push messages and ads, with the shelf seen and hidden",
    "ranking": "what the order of a shop's list is worth, by who writes it",
    "privacy": "what masking finds in messages, and what noise on the shares of intents costs in profit",
    "duopoly": "where sellers who learn prices alone end, between equilibrium and cartel",
    "retention": "whom to give a retention coupon: uplift learners from coupons given at random",
    "fairness": "who is served how, and what it costs a learner to treat groups of customers alike",
    "sessions": "what a BERT over customers' events foresees, beside BG/NBD and the exact ceiling",
    "next-basket": "who of a real grocer's customers comes back, and what they buy next",
    "sim2real": "what policies trained in simulators learned from logs lose in the logged world",
}
