from .classifier import MLPClassifier as MLPClassifier
from .regressor import MLPRegressor as MLPRegressor
from .search import MLPGridSearchCV as MLPGridSearchCV
from .search import MLPRandomizedSearchCV as MLPRandomizedSearchCV
