//! Debian's Chromium, headless, driven through its chromedriver: what a login looks like in a real browser.
//!
//! [`crate::browser`] walks pages as far as HTTP goes; this is for what only a browser does: scripts and cross-site
//! posts, content security policies, the address bar, the back button, and what the page looks like.
//!
//! The few WebDriver commands are spoken directly: JSON over the plain HTTP that the test kit has already. The
//! crates for it either bring a second `http` or change how the daemon's own JSON is built.

mod driver;
mod person;
mod record;
mod wire;

use std::{fs, path::Path};

use anyhow::{Context as _, Result};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Value, json};
use url::Url;

use driver::Driver;
use wire::Wire;

pub use record::{Line, Record, Response};

/// The key under which WebDriver names an element (W3C WebDriver, section 12.2).
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

/// A running Chromium with one window. It ends when dropped.
#[derive(Debug)]
pub struct Chromium {
    window: Wire,
    driver: Driver,
}

/// What the person prefers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// Dark text on light ground.
    Light,
    /// Light text on dark ground.
    Dark,
}

/// How large the window is, in CSS pixels.
#[derive(Clone, Copy, Debug)]
pub struct Size {
    /// From left to right.
    pub width: u32,
    /// From top to bottom.
    pub height: u32,
}

impl Size {
    /// A window on a laptop.
    pub const LAPTOP: Self = Self { width: 1280, height: 800 };
    /// A small phone, held upright.
    pub const PHONE: Self = Self { width: 360, height: 740 };
}

impl Chromium {
    /// Starts chromedriver, and with it a Chromium that has been nowhere.
    pub async fn start() -> Result<Self> {
        let driver = Driver::start().await?;
        let window = driver.session().await?;
        Ok(Self { window, driver })
    }

    /// Where this window takes WebDriver commands, for programs that are to open something in it.
    pub fn commands(&self) -> Result<Url> {
        self.window.address("")
    }

    /// Everything that Chromium writes is below this folder, which goes with it.
    pub fn folder(&self) -> &Path {
        self.driver.folder()
    }

    /// Types an address, and waits until the page is there.
    pub async fn open(&self, address: &str) -> Result<()> {
        self.window.tell::<Value>("url", &json!({ "url": address })).await.map(drop)
    }

    /// Presses the reload button.
    pub async fn reload(&self) -> Result<()> {
        self.window.order("refresh").await
    }

    /// Presses the back button.
    pub async fn back(&self) -> Result<()> {
        self.window.order("back").await
    }

    /// What the address bar shows.
    pub async fn address(&self) -> Result<Url> {
        Ok(Url::parse(&self.window.ask::<String>("url").await?)?)
    }

    /// The page's title.
    pub async fn title(&self) -> Result<String> {
        self.window.ask("title").await
    }

    /// The text that the person sees in the first element of this selector, once there is one.
    pub async fn text(&self, selector: &str) -> Result<String> {
        let element = self.find(selector).await?;
        self.window.ask(&format!("element/{element}/text")).await
    }

    /// Types into the first element of this selector, once there is one.
    pub async fn fill(&self, selector: &str, text: &str) -> Result<()> {
        let element = self.find(selector).await?;
        let keys = json!({ "text": text });
        self.window.tell::<Value>(&format!("element/{element}/value"), &keys).await.map(drop)
    }

    /// Clicks on the first element of this selector, once there is one.
    pub async fn press(&self, selector: &str) -> Result<()> {
        let element = self.find(selector).await?;
        self.window.order(&format!("element/{element}/click")).await
    }

    /// What an expression is worth on the page.
    pub async fn evaluate(&self, expression: &str) -> Result<Value> {
        let script = json!({ "script": format!("return {expression}"), "args": [] });
        self.window.tell("execute/sync", &script).await
    }

    /// Shows the same page, without loading it again, as on such a screen.
    pub async fn look(&self, scheme: Scheme, size: Size) -> Result<()> {
        let value = match scheme {
            Scheme::Light => "light",
            Scheme::Dark => "dark",
        };
        let media = json!({ "features": [{ "name": "prefers-color-scheme", "value": value }] });
        self.develop("Emulation.setEmulatedMedia", &media).await?;
        let screen = json!({
            "width": size.width, "height": size.height, "deviceScaleFactor": 2, "mobile": size.width < 600,
        });
        self.develop("Emulation.setDeviceMetricsOverride", &screen).await.map(drop)
    }

    /// Keeps what the window shows as a PNG file.
    pub async fn screenshot(&self, path: &Path) -> Result<()> {
        let picture: String = self.window.ask("screenshot").await?;
        fs::create_dir_all(path.parent().context("a picture needs a folder")?)?;
        let picture = STANDARD.decode(picture).context("the picture is no Base64")?;
        fs::write(path, picture).with_context(|| format!("{} cannot be written", path.display()))
    }

    /// The addresses that the back button can lead to, and those before and after them.
    pub async fn history(&self) -> Result<Vec<Url>> {
        let history = self.develop("Page.getNavigationHistory", &json!({})).await?;
        let entries = history["entries"].as_array().context("there is no history")?;
        entries.iter().map(|entry| Ok(Url::parse(entry["url"].as_str().unwrap_or_default())?)).collect()
    }

    /// What happened since this was asked last.
    pub async fn record(&self) -> Result<Record> {
        let network = self.window.tell("se/log", &json!({ "type": "performance" })).await?;
        let console = self.window.tell("se/log", &json!({ "type": "browser" })).await?;
        Record::new(network, console)
    }

    async fn find(&self, selector: &str) -> Result<String> {
        let wish = json!({ "using": "css selector", "value": selector });
        let found: Value =
            self.window.tell("element", &wish).await.with_context(|| format!("no {selector}"))?;
        Ok(found[ELEMENT].as_str().context("an element has no name")?.to_owned())
    }

    /// A command of the developer tools.
    async fn develop(&self, command: &str, parameters: &Value) -> Result<Value> {
        self.window.tell("goog/cdp/execute", &json!({ "cmd": command, "params": parameters })).await
    }
}
