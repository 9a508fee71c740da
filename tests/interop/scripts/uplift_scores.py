"""scikit-uplift scores the predictions of our learners, and econml agrees with us on the average effect."""

import numpy as np
import sklift.metrics
from econml.dr import LinearDRLearner
from sklearn.linear_model import LinearRegression, LogisticRegression

from flashsale_env import load_population
from flashsale_env.experiments.studies import retention as study
from flashsale_env.experiments.uplift import LEARNERS, doubly_robust

sale, population, prices = study.scenario(80.0, 0.25), load_population("intent", ["voucher"]), (80.0, 60.0)
known = study.known_of(population, study.replay(sale, population, 8000, 0, 0))
training, test = (study.replay(sale, population, 8000, 0, block) for block in (1, 2))
rng = np.random.default_rng(0)
log, tested = (study.randomised(part, known, prices, rng) for part in (training, test))

for name, learner in LEARNERS.items():
    score = learner(log)(tested.known).purchase
    qini = sklift.metrics.qini_auc_score(tested.bought, score, tested.given)
    auuc = sklift.metrics.uplift_auc_score(tested.bought, score, tested.given)
    shuffled = sklift.metrics.qini_auc_score(tested.bought, rng.permutation(score), tested.given)
    print(f"{name}: Qini {qini:.4f}, AUUC {auuc:.4f}, of shuffled scores {shuffled:.4f}")
    assert np.isfinite([qini, auuc]).all()

true = float(np.mean(training.with_coupon - training.without))
ours = doubly_robust(log).purchase
model = LinearDRLearner(
    model_propensity=LogisticRegression(), model_regression=LinearRegression(), random_state=0, cv=2
)
model.fit(log.bought.astype(float), log.given, X=log.known)
theirs = model.ate_inference(log.known)
error = float(ours.std() / np.sqrt(len(ours)))
print(f"average uplift: true {true:.4f}, ours {ours.mean():.4f} +- {error:.4f}, econml {theirs.mean_point:.4f}")
assert abs(ours.mean() - true) < 4 * error
assert abs(float(theirs.mean_point) - ours.mean()) < 2 * error
print("ok")
