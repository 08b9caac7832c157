$(BUILD)/peers/java: $(wildcard peers/java/*.java) peers/java/build
	$(call say,JAVAC)
	$(Q)peers/java/build $@
