"""The studies: experiments that answer one question each and report figures with intervals.

A new study is one file here, with a function `command` whose docstring is its help, and one line in `STUDIES`. The
study `a-b` is the file a_b.py. It is loaded only when the study runs, so it may import what it needs at the top.
"""

# Name -> what it answers or makes, for `flashsale study --help` and `flashsale list`.
STUDIES = {
    "intent-encoder": "Fine-tune the intent encoder on generated messages and measure it on unseen templates.",
    "populations": "Build the reference and learned populations, and the demand model behind the learned one.",
    "text-value": "What text is worth: predicting choices and setting prices with each reading of the messages.",
    "recovery": "Whether the intervals of estimated elasticities cover the true ones as often as they claim.",
    "transfer": "How well an encoder classifies real customers' messages that it was not trained on.",
    "sentiment": "Polarity of Chinese shopping reviews: the multilingual backbone against TF-IDF.",
    "wider": "What sharing weights across products gains, also in a sale of more products than in training.",
    "reference-policy": "Train and publish the shipped policy that a new learner on `standard` is compared with.",
    "sim2real": "What policies trained in simulators learned from logs lose in the world that was logged.",
}
