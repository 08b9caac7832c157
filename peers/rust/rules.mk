$(BUILD)/peers/rust/rust-async $(BUILD)/peers/rust/rust-threads &: \
		$(wildcard peers/rust/build peers/rust/Cargo.toml peers/rust/.cargo/* peers/rust/src/* peers/rust/src/bin/*/*)
	peers/rust/build $(@D)
