# Go says itself what has changed; its own cache makes a second build short.
$(BUILD)/peers/go: $(wildcard peers/go/*)
	$(say,GO)
	$(Q)peers/go/build $@
