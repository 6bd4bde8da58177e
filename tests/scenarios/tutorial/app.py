"""A user's own web service over the registry, with Flask's debug server."""

import os

from flask import Flask, jsonify, request

from muster import GitIntegration, ModelRegistry, errors

app = Flask(__name__)
registry = ModelRegistry()
git = GitIntegration(project_path=".")


@app.errorhandler(errors.Invalid)
def invalid(error):
    return jsonify(error=str(error)), 400


@app.errorhandler(errors.NotFound)
def not_found(_):
    return jsonify(error="Model not found"), 404


@app.get("/models")
def list_models():
    return jsonify(models=registry.list_models())


@app.get("/models/<model_id>")
def get_model(model_id):
    model = registry.get_model(model_id)
    if model is None:
        return jsonify(error="Model not found"), 404
    return jsonify(model)


@app.post("/models")
def register_model():
    data = request.get_json()
    model_id = registry.register_model(
        data["name"], data["version"], data["description"], data["training_data"]
    )
    git.commit_model_change(model_id, "registered by the web service")
    return jsonify(message="Model registered successfully", model_id=model_id), 201


@app.post("/models/<model_id>/deploy")
def deploy(model_id):
    model = registry.deploy(model_id)
    return jsonify(message=f"Model {model_id} deployed to production", model=model)


@app.post("/models/<model_id>/rollback")
def rollback(model_id):
    model = registry.rollback(model_id)
    return jsonify(message=f"Model {model_id} rolled back to staging", model=model)


@app.get("/models/<model_id>/history")
def history(model_id):
    return jsonify(model_id=model_id, history=git.get_model_history(model_id))


if __name__ == "__main__":
    app.run(debug=True, port=int(os.environ.get("PORT", "5000")))
