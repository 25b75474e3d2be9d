//! E-commerce orders from a seed: the same seed gives the same orders.

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::{Value, json};

/// The first order's time, 2026-01-01 00:00:00 UTC, in milliseconds.
const FIRST_ORDER_MILLIS: u64 = 1_767_225_600_000;

const FIRST_NAMES: [&str; 12] = [
    "Amara", "Bruno", "Chiara", "Dmitri", "Elif", "Farid", "Greta", "Hiro", "Ines", "Jonas", "Kofi", "Lucía",
];
const LAST_NAMES: [&str; 12] = [
    "Almeida",
    "Brandt",
    "Costa",
    "Dubois",
    "Eriksen",
    "Fischer",
    "Gallo",
    "Haddad",
    "Ivanova",
    "Jensen",
    "Kimura",
    "Lindqvist",
];
const CITIES: [(&str, &str); 8] = [
    ("Lisbon", "PT"),
    ("Paris", "FR"),
    ("Oslo", "NO"),
    ("Berlin", "DE"),
    ("Kyoto", "JP"),
    ("Accra", "GH"),
    ("Lima", "PE"),
    ("Toronto", "CA"),
];
const PRODUCTS: [(&str, &str, f64); 12] = [
    ("Linen shirt", "Clothing", 39.90),
    ("Wool scarf", "Clothing", 24.50),
    ("Rain jacket", "Clothing", 119.00),
    ("Trail shoes", "Shoes", 94.95),
    ("Leather boots", "Shoes", 149.00),
    ("Canvas sneakers", "Shoes", 54.90),
    ("Travel backpack", "Accessories", 79.00),
    ("Sun hat", "Accessories", 19.95),
    ("Silver ring", "Accessories", 64.00),
    ("Desk lamp", "Home", 44.90),
    ("Ceramic mug", "Home", 12.50),
    ("Cotton towel", "Home", 17.90),
];
const STATUSES: [&str; 4] = ["placed", "paid", "shipped", "delivered"];

/// Generates orders one after another.
#[derive(Debug)]
pub(crate) struct Orders {
    rng: StdRng,
    next: u64,
}

impl Orders {
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            rng: StdRng::seed_from_u64(seed),
            next: 1,
        }
    }

    /// How many orders were placed.
    pub(crate) fn placed(&self) -> u64 {
        self.next - 1
    }

    /// A new order, with its id.
    pub(crate) fn place(&mut self) -> (String, Value) {
        let number = self.next;
        self.next += 1;
        (order_id(number), self.order(number, STATUSES[0]))
    }

    /// A change of an order that was placed before: its id, and the order as it is now.
    pub(crate) fn advance(&mut self) -> (String, Value) {
        let number = self.rng.random_range(1..self.next.max(2));
        let status = STATUSES[self.rng.random_range(1..STATUSES.len())];
        (order_id(number), self.order(number, status))
    }

    /// The id of an order that is cancelled.
    pub(crate) fn cancel(&mut self) -> String {
        order_id(self.rng.random_range(1..self.next.max(2)))
    }

    fn order(&mut self, number: u64, status: &str) -> Value {
        let first = self.pick(&FIRST_NAMES);
        let last = self.pick(&LAST_NAMES);
        let (city, country) = self.pick(&CITIES);
        let items = self.rng.random_range(1..=4);
        let products: Vec<Value> = (0..items).map(|_| self.product()).collect();
        let total: f64 = products
            .iter()
            .filter_map(|product| product["taxful_price"].as_f64())
            .sum();
        json!({
            "order_id": number,
            "order_date": FIRST_ORDER_MILLIS + number * 1000,
            "status": status,
            "customer_full_name": format!("{first} {last}"),
            "email": format!("{}@{}.example", first.to_lowercase(), last.to_lowercase()),
            "geoip": { "city_name": city, "country_iso_code": country },
            "currency": "EUR",
            "products": products,
            "total_quantity": items,
            "taxful_total_price": (total * 100.0).round() / 100.0,
        })
    }

    fn product(&mut self) -> Value {
        let (name, category, price) = self.pick(&PRODUCTS);
        json!({ "product_name": name, "category": category, "taxful_price": price })
    }

    fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.rng.random_range(0..from.len())]
    }
}

fn order_id(number: u64) -> String {
    format!("order-{number}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_gives_the_same_orders() {
        let stream = |seed| {
            let mut orders = Orders::new(seed);
            let placed: Vec<_> = (0..20).map(|_| orders.place()).collect();
            (placed, orders.advance(), orders.cancel())
        };
        assert_eq!(stream(7), stream(7));
        assert_ne!(stream(7), stream(8));
    }

    #[test]
    fn the_total_is_the_sum_of_the_products() {
        let (id, order) = Orders::new(1).place();
        let products = order["products"].as_array().expect("a list");
        let sum: f64 = products
            .iter()
            .filter_map(|product| product["taxful_price"].as_f64())
            .sum();
        assert_eq!(id, "order-1");
        assert!((order["taxful_total_price"].as_f64().expect("a number") - sum).abs() < 0.01);
    }
}
