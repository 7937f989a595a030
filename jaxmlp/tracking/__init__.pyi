from .mlflow import MLflow as MLflow
from .tensorboard import TensorBoard as TensorBoard
from .wandb import WeightsAndBiases as WeightsAndBiases
