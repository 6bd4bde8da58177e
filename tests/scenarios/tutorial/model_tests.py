"""A user's own tests, with unittest: each begins with an empty registry."""

import unittest

from muster import ModelRegistry


class TestModelRegistry(unittest.TestCase):
    def setUp(self):
        self.registry = ModelRegistry()
        self.registry.models = {}

    def register(self, version="v1.0"):
        return self.registry.register_model("test_model", version, "A test", "test_data")

    def test_register(self):
        self.assertEqual(self.register(), "test_model_v1.0")
        model = self.registry.get_model("test_model_v1.0")
        self.assertEqual(model["name"], "test_model")
        self.assertEqual(model["deployment_status"], "development")
        self.assertIn("created_at", model)

    def test_list(self):
        self.assertEqual(self.registry.list_models(), [])
        self.register("v1.0")
        self.register("v2.0")
        self.assertEqual(self.registry.list_models(), ["test_model_v1.0", "test_model_v2.0"])
        self.assertEqual(len(self.registry.models), 2)
        self.assertIn("test_model_v2.0", self.registry.models)

    def test_unknown_model(self):
        self.assertIsNone(self.registry.get_model("nonexistent"))

    def test_deploy_and_roll_back(self):
        model_id = self.register()
        self.registry.deploy(model_id)
        self.assertEqual(self.registry.models[model_id]["deployment_status"], "production")
        self.registry.rollback(model_id)
        self.assertEqual(self.registry.models[model_id]["deployment_status"], "staging")


if __name__ == "__main__":
    unittest.main()
