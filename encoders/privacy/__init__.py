"""Protecting the people behind the messages: personal details are masked before anything is stored."""
