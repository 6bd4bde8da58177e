"""What a user's first script does: register, deploy, go back, and write it into Git."""

from muster import GitIntegration, ModelRegistry

registry = ModelRegistry()
git = GitIntegration(project_path=".")

first = registry.register_model(
    model_name="sentiment_classifier",
    version="v1.0",
    description="First classifier of product reviews",
    training_data="reviews_2026_01",
)
git.commit_model_change(first, "registered after the January training")

second = registry.register_model(
    "sentiment_classifier", "v1.1", "Trained on more reviews", "reviews_2026_02", deployment_status="staging"
)
git.commit_model_change(second, "registered after the February training")

print("Registered:", ", ".join(registry.list_models()))

registry.deploy(first)
registry.deploy(second, reason="Better recall on long reviews")
print("In production:", second, registry.get_model(second)["deployment_status"])

registry.rollback(second, reason="Slower than we can afford")
print("Rolled back:", second, registry.get_model(second)["deployment_status"])
print("In production:", first, registry.get_model(first)["deployment_status"])

print("Unknown:", registry.get_model("no_such_model"), git.commit_model_change("no_such_model", "?"))

print(f"History of {second}:")
for line in git.get_model_history(second):
    print("  ", line)
