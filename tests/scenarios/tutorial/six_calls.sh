curl -X POST http://127.0.0.1:5000/models -H "Content-Type: application/json" -d '{"name": "sentiment_classifier", "version": "v1.0", "description": "First classifier of product reviews", "training_data": "reviews_2026_01"}'
curl http://127.0.0.1:5000/models
curl http://127.0.0.1:5000/models/sentiment_classifier_v1.0
curl -X POST http://127.0.0.1:5000/models/sentiment_classifier_v1.0/deploy
curl -X POST http://127.0.0.1:5000/models/sentiment_classifier_v1.0/rollback
curl http://127.0.0.1:5000/models/sentiment_classifier_v1.0/history
